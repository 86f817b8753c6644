# An image of Amazon Linux 2023 with Denodo, for nodes: docs/how-to/build-the-image.md.
#
#   packer init image
#   packer build -var region=eu-west-1 -var files=denodo-files image

packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.3.0"
    }
  }
}

variable "region" {
  type        = string
  description = "Region in which the image is built."
}

variable "files" {
  type        = string
  description = "Folder with installer.zip, response.xml and, optionally, update.zip and drivers."
}

variable "denodo_home" {
  type        = string
  default     = "/opt/denodo/denodo_platform_8_0"
  description = "Installation path, as in response.xml and in denodo.home of the configuration."
}

variable "instance_type" {
  type    = string
  default = "m7i.large"
}

variable "subnet_id" {
  type        = string
  default     = null
  description = "Subnet with a way to Systems Manager; default: the default VPC's."
}

variable "instance_profile" {
  type        = string
  description = "Instance profile with AmazonSSMManagedInstanceCore, through which Packer connects."
}

source "amazon-ebs" "denodo" {
  region               = var.region
  ami_name             = "denodo-{{timestamp}}"
  instance_type        = var.instance_type
  subnet_id            = var.subnet_id
  ssh_username         = "ec2-user"
  ssh_interface        = "session_manager"
  iam_instance_profile = var.instance_profile
  encrypt_boot         = true

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }

  source_ami_filter {
    owners      = ["amazon"]
    most_recent = true
    filters = {
      name         = "al2023-ami-2023.*-x86_64"
      architecture = "x86_64"
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = 30
    volume_type           = "gp3"
    delete_on_termination = true
  }

  tags = {
    Name = "denodo"
  }
}

build {
  sources = ["source.amazon-ebs.denodo"]

  provisioner "shell" {
    inline = ["mkdir -p /tmp/denodo", "sudo dnf install --assumeyes unzip util-linux-core"]
  }

  provisioner "file" {
    source      = "${var.files}/"
    destination = "/tmp/denodo"
  }

  provisioner "shell" {
    script          = "${path.root}/install-denodo"
    execute_command = "sudo env DENODO_HOME=${var.denodo_home} sh {{ .Path }} /tmp/denodo"
  }
}
