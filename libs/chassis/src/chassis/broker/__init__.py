"""RabbitMQ: queues, publishing with confirms, consuming, relaying an outbox, moving dead letters out."""
