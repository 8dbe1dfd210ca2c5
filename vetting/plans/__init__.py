"""Programs staffed: beliefs and queues as arrays, feasibility, the plan in words, whom to vet next."""
