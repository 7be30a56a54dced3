"""What every command does around its work: flags, streams, exit status."""
