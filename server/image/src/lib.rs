//! Operating system images: import, formats, content-addressed store.
