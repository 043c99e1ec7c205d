"""RabbitMQ: topology, publishing with confirms, consuming, relaying an outbox, draining dead letters."""
