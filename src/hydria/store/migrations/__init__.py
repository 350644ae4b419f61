"""The migrations of the schema, one script for each change, in `versions`. `new` writes the next one."""
