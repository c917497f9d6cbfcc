"""How artifacts were saved: one file per framework recognises them; nothing here imports a framework or numpy."""
