"""The schema's history: one script for each change, in `versions`. `new` writes the next one."""
