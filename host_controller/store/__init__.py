"""What the controller remembers: tables, the single writer, migrations, the data directory."""
