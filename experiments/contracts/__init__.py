"""What spaces, strategies and proxies promise, as checks that hold ours and users' own to it alike."""
