"""The doors: web pages for three audiences, and the `assay` command line. They translate, and nothing more."""
