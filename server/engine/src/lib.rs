//! The durable loop that runs any controller.
