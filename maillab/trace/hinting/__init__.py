"""What an expert would remark: rules, and the view of what they found."""
