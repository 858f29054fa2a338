data "underlay_image" "debian" {
  name = "debian-13"
}
