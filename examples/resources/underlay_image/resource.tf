resource "underlay_image" "debian" {
  name = "debian-13"
  source = {
    url    = "https://images.example/debian-13.qcow2"
    sha256 = "6c2a7bd6d2b3f4b0a6c3f1c5f9a1d0a7c4b8e2f1a9d3c7b5e1f0a2d4c6b8e0f2"
  }
}
