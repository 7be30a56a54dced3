"""Files and folders that appear whole, and who may write them."""
