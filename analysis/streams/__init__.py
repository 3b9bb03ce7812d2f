"""The streaming analyses over dumps of any size: sums that merge exactly, surveys that resume."""
