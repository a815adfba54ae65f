"""Earlier multi-task networks, written from their papers as spaces with the width as the only choice.

They are what a search has to beat; docs/earlier_networks.md has their sources, counts and differences.
"""
