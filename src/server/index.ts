/** The public entry `duowire/server`: how a program gets a server, and what it can tell and ask it. */
