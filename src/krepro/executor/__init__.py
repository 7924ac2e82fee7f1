"""Where the cells of a plan are measured: in threads of this process, or on a Dask cluster."""
