//! Derives a Terraform schema and its codec from a struct.
