"""What is wrong before the first call: settings and rules without a connection, origins by trying them."""
