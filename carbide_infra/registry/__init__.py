"""A client for container registries: what is stored under a tag or digest, and may we write there?"""
