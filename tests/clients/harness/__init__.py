"""What the real-client tests stand on: backends, doubles and Palisade itself, each started on 127.0.0.1 and stopped by its pid."""
