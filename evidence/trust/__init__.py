"""How far the short training of a search can be trusted: does it order architectures as a longer one does?"""
