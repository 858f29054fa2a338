variable "image_url" {
  description = "Where the image is: https://, http://, or upload:// as `underlay image import` prints it."
  type        = string
}

variable "image_sha256" {
  description = "SHA-256 of the image."
  type        = string
}

variable "ssh_key" {
  description = "The public key that may log in."
  type        = string
}
