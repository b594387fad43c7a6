"""What is built is whole: `make packages` installs it as users do."""
