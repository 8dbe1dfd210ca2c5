"""One way through one adaptive test: what it is for, what may be asked, what pays most, and when it ends."""
