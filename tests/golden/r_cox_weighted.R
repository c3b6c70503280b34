# Writes r_cox_weighted.json: weights, strata, clusters and late entry at once. Rscript r_cox_weighted.R FOLDER_OF_bladder_ag.csv
library(survival); d <- read.csv(file.path(commandArgs(TRUE), "bladder_ag.csv"))
d$w <- 1 + (d$id %% 3) / 2
f <- function(...) paste0("[", paste(formatC(c(...), digits=15, format="g", width=1), collapse=", "), "]")
out <- c()
for (ties in c("efron", "breslow")) {
  m <- coxph(Surv(start, stop, status) ~ number + size + strata(rx), data=d, weights=w, cluster=id, ties=ties)
  n <- data.frame(number=c(1, 4), size=c(3, 1))
  s <- lapply(1:2, function(i) summary(survfit(m, newdata=n[i,]), times=c(6, 24), extend=TRUE))
  z <- lapply(c("km", "identity", "rank", "log"), function(t) cox.zph(m, transform=t)$table[, "chisq"])
  r <- cox.zph(m)
  out <- c(out, paste0(' "', ties, '": {\n  ', paste0(c(
    '"coef": ', '"se": ', '"naive_se": ', '"loglik": ', '"score": ', '"robscore": ', '"surv": ', '"surv_se": ', '"zph_km": ', '"zph_identity": ', '"zph_rank": ', '"zph_log": ', '"residual_squares": ', '"residual_variance": ', '"means": ', '"means_without_entry": '),
    c(f(coef(m)), f(sqrt(diag(m$var))), f(sqrt(diag(m$naive.var))), f(m$loglik), f(m$score), f(m$rscore), f(s[[1]]$surv, s[[2]]$surv), f(s[[1]]$std.err, s[[2]]$std.err), sapply(z, f), f(colSums(r$y^2)), f(diag(r$var)), f(m$means), f(coxph(Surv(stop, status) ~ number + size, data=d, weights=w)$means)), collapse=",\n  "), "\n }"))
}
cat("{\n", paste(out, collapse=",\n"), "\n}\n", sep="")
