# Completed by one of the files *.s3.tfbackend.
terraform {
  backend "s3" {}
}
