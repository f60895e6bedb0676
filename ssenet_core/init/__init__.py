"""`ssenet init`: from a folder of photographs and a table of tags to a configuration."""
