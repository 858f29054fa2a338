resource "thing_thing" "example" {
  name  = "example"
  place = { rack = "r1" }
}
