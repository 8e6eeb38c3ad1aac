"""The `shopbatch` command line: one file per subcommand or group of related subcommands."""
