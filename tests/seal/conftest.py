from tests.seal.s3 import bucket, s3, s3_server

__all__ = ["bucket", "s3", "s3_server"]
