"""What requests and answers look like, for the OpenAPI document; a test holds them to their schemas."""
