"""What a person sees: JupyterLab, explorers, plots. Imports everything, imported by none.

Heavy libraries (JupyterLab, ipywidgets, matplotlib, scapy) are imported inside functions.
"""
