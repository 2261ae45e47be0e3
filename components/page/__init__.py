"""What every page has round its content: link, subject, presenter. Stands on everything here."""
