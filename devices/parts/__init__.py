"""What devices that price by parts share: the blocks of a space, their tables, figures on disk, whole networks.

A block is captured as a graph (blocks), each device has its own way to a figure of a graph (by its clock, by its
compiler), figures stay on disk under the graph's signature (figures), become additive features of the space
(block_table), and are compared with those of whole networks (whole_networks).

What runtimes on this machine share: rounds over loaded graphs (measure, probe_graphs), timings on disk (timings), and
the device itself (measured_device), to which a runtime adds its version and how it loads a graph.
"""
