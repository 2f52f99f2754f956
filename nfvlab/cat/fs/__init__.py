"""The parts of the in-memory resctrl: parsing, controls, groups, modes, monitors, tasks, files."""
