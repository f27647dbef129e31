"""The pages: server-rendered, made from the same resource declarations as the API, and working without scripts."""
