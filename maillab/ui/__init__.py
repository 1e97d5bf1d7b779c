"""What a person sees: JupyterLab, explorers, plots. Imports all, is imported by none.

Heavy libraries (JupyterLab, ipywidgets, matplotlib, scapy) are imported in functions.
"""
