"""What a run consists of and needs: RabbitMQ, S3, our own services, ports, room on the disk."""
