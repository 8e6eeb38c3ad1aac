"""The job compress_encoder: makes an encoder smaller and faster."""
