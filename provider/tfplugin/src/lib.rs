//! A Terraform and OpenTofu plugin SDK: protocol 6 over a go-plugin handshake.
