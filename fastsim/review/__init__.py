"""`fastsim review`: a page on the loopback interface where a person looks at groups, decides, applies and takes back."""
