/** A module that cannot be loaded. */
throw new Error("secret: no database at /srv/db");
