"""For packages that a project may use beside this app; each module needs its own."""
