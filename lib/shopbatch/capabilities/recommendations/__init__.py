"""What each user will want next: recommendations from habits, neighbours and sequences of purchases."""
