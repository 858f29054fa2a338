provider "thing" {
  directory = "things"
}
