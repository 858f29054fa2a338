//! underlay.v1: the wire between provider, cli, agent and server.
