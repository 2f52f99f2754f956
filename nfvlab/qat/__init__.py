"""Live migration with its pages compressed by a QuickAssist device: what it saves, and when it does not pay."""
