"""What a query asks for: type, constraints with their scope, and the words that are left. Rules are data (en, zh)."""
