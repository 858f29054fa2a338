terraform import 'underlay_image.debian' name/debian-13
