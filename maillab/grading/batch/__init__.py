"""Many submissions: found, graded on all cores or by Dask, one file for each result.

handed_in   what lies in files, folders and zip files, and whose it is
results     the folder with the results, and the secret
plan        which of it has to be graded, in which world
pool        processes that grade, and may die
on_dask     computers that grade
progress    what one sees meanwhile
batch       all of that together: `maillab grade`
oneself     a student's own look: `maillab check-notebook`
"""
