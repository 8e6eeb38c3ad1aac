"""An encoder made smaller and faster: compress_encoder."""
