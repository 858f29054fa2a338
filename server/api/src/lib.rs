//! The gRPC services: authorise, convert, validate, one store call.
